import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The path of a program: from the environment variable, or the first that exists. */
export function locate(variable: string, candidates: readonly string[]): string {
  const named = process.env[variable];
  if (named !== undefined) return named;
  const path = candidates.find(executable);
  if (path === undefined) {
    throw new Error(
      `none of ${candidates.join(', ')} is there; name one with ${variable}, or run scripts/setup.sh test`,
    );
  }
  return path;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `root/<multiarch>/<folder that matches>/file` for all that are there. */
export function libraryPaths(root: string, folder: RegExp, file: string): string[] {
  return list(root).flatMap((arch) =>
    list(join(root, arch))
      .filter((name) => folder.test(name))
      .map((name) => join(root, arch, name, file)),
  );
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
