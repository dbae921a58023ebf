// The cohort editor: line numbers beside the text, a line named by a finding, and the last words kept on leaving.
"use strict";

(() => {
  const form = document.getElementById("editor");
  if (!form) return;
  const text = document.getElementById("definition"), gutter = document.getElementById("gutter");
  const LINES_NUMBERED = 5000;
  let numbered = 0, dirty = false;

  const number = () => {
    const lines = Math.min(text.value.split("\n").length, LINES_NUMBERED);
    if (lines === numbered) return;
    numbered = lines;
    gutter.textContent = Array.from({ length: lines }, (_, place) => place + 1).join("\n");
  };
  text.addEventListener("input", number);
  text.addEventListener("scroll", () => { gutter.scrollTop = text.scrollTop; });
  number();

  // A finding names its line: going there selects it.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    const lines = text.value.split("\n"), wanted = Math.min(Number(link.dataset.line), lines.length);
    const start = lines.slice(0, wanted - 1).reduce((sum, line) => sum + line.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + lines[wanted - 1].length);
    const height = text.scrollHeight / lines.length;
    text.scrollTop = Math.max(0, (wanted - 6) * height);
  });

  // What the server would refuse whole is not sent to it; either way the numbers of another text do not stay beside this one.
  const answer = document.getElementById("answer");
  const tell = (id) => {
    answer.querySelectorAll("[hx-post]").forEach((one) => htmx.trigger(one, "htmx:abort"));
    answer.replaceChildren(document.getElementById(id).content.cloneNode(true));
  };
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt !== form || text.value.length <= Number(text.dataset.most)) return;
    event.preventDefault();
    tell("too-long");
  });
  document.body.addEventListener("htmx:sendError", (event) => { if (event.detail.elt === form) tell("not-sent"); });

  // Saving goes by htmx after a pause; whoever leaves before that takes nothing with them.
  form.addEventListener("input", () => { dirty = true; });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt === form && event.detail.successful) dirty = false;
  });
  window.addEventListener("pagehide", () => {
    if (!dirty) return;
    dirty = false;
    const headers = JSON.parse(document.body.getAttribute("hx-headers"));
    fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { ...headers, "HX-Request": "true" }, keepalive: true });
  });
  // Back in history shows the page as it was left: its revision is not the newest one any more.
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
  // "Save as a new definition" is an ordinary form, which htmx must not send.
  form.querySelectorAll("[data-plain]").forEach((button) => {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      dirty = false;
      form.removeAttribute("hx-post");
      form.action = button.getAttribute("formaction");
      HTMLFormElement.prototype.submit.call(form);
    });
  });
})();
