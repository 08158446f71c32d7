/** Fails when something the library exports has no doc comment. */
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const entry = fileURLToPath(new URL('../src/element/define.ts', import.meta.url));
const config = fileURLToPath(new URL('../tsconfig.json', import.meta.url));
const { config: json } = ts.readConfigFile(config, ts.sys.readFile);
const parsed = ts.parseJsonConfigFileContent(
  json,
  ts.sys,
  fileURLToPath(new URL('..', import.meta.url)),
);
const program = ts.createProgram(parsed.fileNames, parsed.options);
const checker = program.getTypeChecker();
const missing = [];

const isDocumented = (symbol) => symbol.getDocumentationComment(checker).length > 0;
const isInternal = (symbol) => symbol.getJsDocTags().some(({ name }) => name === 'internal');
const isOurs = (symbol) =>
  symbol.declarations?.some(({ kind }) => kind !== undefined) &&
  symbol.declarations.every((node) =>
    node.getSourceFile().fileName.includes('packages/client/src'),
  );

function check(symbol, path) {
  const real = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  if (!isOurs(real) || isInternal(real)) return;
  if (real.flags & ts.SymbolFlags.ValueModule) {
    // `wire`: a file, whose exports count.
    for (const member of checker.getExportsOfModule(real)) check(member, `${path}.${member.name}`);
    return;
  }
  if (!isDocumented(real)) missing.push(path);
  if (!(real.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface))) return;
  for (const member of real.members?.values() ?? []) {
    const [declaration] = member.declarations ?? [];
    if (!declaration || ts.isTypeParameterDeclaration(declaration)) continue;
    const name = declaration.name;
    const isPrivate =
      (name && ts.isPrivateIdentifier(name)) || /^__(constructor|index)$/.test(member.name);
    if (isPrivate || isInternal(member) || isDocumented(member)) continue;
    missing.push(`${path}.${member.name}`);
  }
}

const module = checker.getSymbolAtLocation(program.getSourceFile(entry));
for (const symbol of checker.getExportsOfModule(module)) check(symbol, symbol.name);
if (missing.length > 0) {
  console.error(`without a doc comment:\n  ${missing.join('\n  ')}`);
  process.exit(1);
}
