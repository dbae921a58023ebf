// The pages' own script: sending files with real progress, the drawer, small comforts. No inline code anywhere.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const csrfToken = () => {
    const headers = document.body.getAttribute("hx-headers");
    return headers ? JSON.parse(headers)["X-CSRF-Token"] : "";
  };
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const sizeText = (bytes) => {
    const units = ["B", "KB", "MB", "GB", "TB"];
    let unit = 0;
    while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit += 1; }
    return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
  };

  // -- the drawer: filled by htmx, opened when it has arrived -------------------------------------

  const drawer = byId("drawer");
  let opener = null;
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target && event.detail.target.id === "drawer-body") opener = event.detail.elt;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "drawer-body" && !drawer.open) drawer.showModal();
  });
  drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
  drawer.addEventListener("close", () => { if (opener) opener.focus(); });

  // -- small comforts -----------------------------------------------------------------------------

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
  });
  document.querySelectorAll("input[data-fills]").forEach((input) => {
    input.addEventListener("change", async () => {
      if (input.files.length) byId(input.dataset.fills).value = await input.files[0].text();
    });
  });
  // A double click must not send a form twice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
  });

  // A file goes as it is, as the request's body; what comes back is the page with what was found in it.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-raw") || event.defaultPrevented) return;
    event.preventDefault();
    const answer = await fetch(form.action, {
      method: "POST",
      body: form.querySelector("input[type=file]").files[0],
      headers: { "Content-Type": "text/csv", "X-CSRF-Token": csrfToken() },
    }).catch(() => null);
    delete form.dataset.sent;
    const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (!page) { byId("raw-problem").hidden = false; return; }
    document.querySelector("main").replaceChildren(...page.childNodes);
    const told = byId("raw-told");
    if (told) told.focus();
  });

  // -- the upload form ----------------------------------------------------------------------------

  const form = byId("upload-form");
  if (!form) return;
  const words = { ...form.dataset };
  const list = byId("file-list"), problem = byId("upload-problem"), status = byId("upload-status");
  const send = byId("send"), cancel = byId("cancel"), picker = byId("files"), drop = byId("drop");
  const english = document.documentElement.lang === "en";
  let chosen = [];
  let current = null, stopped = false, uploadId = null;

  const showFiles = () => {
    list.replaceChildren(...chosen.map((one) => one.row));
  };
  const addFiles = (files) => {
    for (const file of files) {
      const row = element("li");
      const name = element("span", "file-name", file.name);
      const size = element("span", "small tabular", sizeText(file.size));
      const bar = element("progress");
      bar.max = 100; bar.value = 0; bar.setAttribute("aria-label", file.name);
      const state = element("span", "file-state", words.waiting);
      const remove = element("button", "link", words.remove);
      remove.type = "button";
      remove.setAttribute("aria-label", `${words.remove} ${file.name}`);
      const one = { file, row, bar, state, remove, done: false };
      remove.addEventListener("click", () => { chosen = chosen.filter((other) => other !== one); showFiles(); picker.focus(); });
      row.append(name, size, bar, state, remove);
      chosen.push(one);
    }
    showFiles();
  };
  picker.addEventListener("change", () => { addFiles(picker.files); picker.value = ""; });
  for (const kind of ["dragover", "dragenter"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  }
  drop.addEventListener("drop", (event) => addFiles(event.dataTransfer.files));

  const showProblem = (found) => {
    const card = element("div", "card-problem"), text = element("div");
    card.setAttribute("role", "alert");
    text.append(element("p", "problem-what", english ? found.en : found.zh));
    if (found.next_zh) {
      const next = element("p", "problem-next");
      next.append(element("span", "problem-label", words.todo), ` ${english ? found.next_en : found.next_zh}`);
      text.append(next);
    }
    if (found.code) {
      const code = element("p", "problem-code", `${words.code} `);
      code.append(element("code", "", found.code));
      text.append(code);
    }
    card.append(text);
    problem.replaceChildren(card);
  };
  const lost = { zh: words.lost, en: words.lost };

  const call = (method, path, body, contentType, onProgress) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    current = request;
    request.open(method, path);
    request.setRequestHeader("X-CSRF-Token", csrfToken());
    if (contentType) request.setRequestHeader("Content-Type", contentType);
    if (onProgress) request.upload.addEventListener("progress", onProgress);
    request.addEventListener("load", () => {
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { answer = lost; }
      if (request.status >= 200 && request.status < 300) resolve(answer); else reject(answer);
    });
    for (const kind of ["error", "abort", "timeout"]) request.addEventListener(kind, () => reject(lost));
    request.send(body);
  });

  const sendFile = async (one) => {
    one.state.textContent = words.sending;
    status.textContent = `${words.sending} ${one.file.name}`;
    let spoken = 0;
    const path = `/api/v1/uploads/${uploadId}/files?name=${encodeURIComponent(one.file.name)}`;
    try {
      await call("PUT", path, one.file, "application/octet-stream", (event) => {
        if (!event.lengthComputable || !event.total) return;
        const percent = Math.floor((100 * event.loaded) / event.total);
        one.bar.value = percent;
        one.state.textContent = `${percent}% · ${sizeText(event.loaded)}`;
        if (percent >= spoken + 25) { spoken = percent; status.textContent = `${one.file.name} ${percent}%`; }
      });
    } catch (found) {
      one.bar.value = 0;
      one.state.textContent = words.failed;
      throw found;
    }
    one.done = true;
    one.bar.value = 100;
    one.state.textContent = words.arrived;
    status.textContent = `${one.file.name} ${words.arrived}`;
  };

  const setBusy = (busy) => {
    send.disabled = busy;
    cancel.hidden = !busy;
    chosen.forEach((one) => { one.remove.hidden = busy || one.done; });
    form.querySelectorAll("fieldset").forEach((set) => { set.disabled = busy; });
  };

  cancel.addEventListener("click", () => { stopped = true; if (current) current.abort(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.replaceChildren();
    if (!chosen.length) { showProblem({ zh: words.nofiles, en: words.nofiles }); picker.focus(); return; }
    const terms = Object.fromEntries(new FormData(form));
    stopped = false;
    setBusy(true);
    try {
      // An upload that was begun goes on where it stopped: what has arrived is not sent again.
      if (!uploadId) uploadId = (await call("POST", "/api/v1/uploads", JSON.stringify(terms), "application/json")).id;
      for (const one of chosen) if (!one.done && !stopped) await sendFile(one);
      if (stopped) { setBusy(false); return; }
      await call("POST", `/api/v1/uploads/${uploadId}/close`, null, "");
      window.location.assign(`/uploads/${uploadId}`);
    } catch (found) {
      setBusy(false);
      if (!stopped) showProblem(found);
    }
  });
})();
