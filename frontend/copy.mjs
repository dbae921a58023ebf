// Copies what the pages need out of node_modules into the server's static folder, with a manifest
// that names package, version, licence and SHA-256 of each file. Nothing else is ever served.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const vendor = join(here, "..", "rwd_platform", "server", "static", "vendor");

const wanted = [
  { name: "htmx.org", copies: { "dist/htmx.min.js": "htmx.min.js" } },
  { name: "@tabler/core", copies: { "dist/css/tabler.min.css": "tabler.min.css" } },
  {
    name: "@fontsource-variable/noto-sans-sc",
    copies: { "index.css": "noto-sans-sc/index.css", files: "noto-sans-sc/files" },
  },
];

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)],
    )
    .sort();
}

rmSync(vendor, { recursive: true, force: true });
const packages = wanted.map(({ name, copies }) => {
  const about = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
  for (const [from, to] of Object.entries(copies)) {
    mkdirSync(dirname(join(vendor, to)), { recursive: true });
    cpSync(join(modules, name, from), join(vendor, to), { recursive: true });
  }
  return { name, version: about.version, licence: about.license };
});
// A source map that is named but absent makes browsers ask for it.
for (const path of filesUnder(vendor).filter((name) => /\.(css|js)$/.test(name))) {
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/\/[*/]# sourceMappingURL=.*$/gm, ""));
}
const files = Object.fromEntries(
  filesUnder(vendor).map((path) => [
    relative(vendor, path).replaceAll("\\", "/"),
    createHash("sha256").update(readFileSync(path)).digest("hex"),
  ]),
);
writeFileSync(join(vendor, "manifest.json"), `${JSON.stringify({ packages, files }, null, 1)}\n`);
console.log(`${Object.keys(files).length} front-end files are in place`);
