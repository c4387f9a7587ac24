/** @file File patterns: `*` within a name, `**` across folders, `?` for one character, `{a,b}` for either. */

const TOKEN = /\*\*\/?|\*|\?|\{[^{}]*\}|[^*?{]+|[{]/g;

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function translate(token: string): string {
  if (token === "**/") return "(?:.*/)?";
  if (token === "**") return ".*";
  if (token === "*") return "[^/]*";
  if (token === "?") return "[^/]";
  if (token.length > 1 && token.startsWith("{") && token.endsWith("}")) {
    return `(?:${token.slice(1, -1).split(",").map(literal).join("|")})`;
  }
  return literal(token);
}

/** Whether a path with forward slashes fits the pattern, as a whole. */
export function globMatcher(pattern: string): (path: string) => boolean {
  const expression = new RegExp(`^${(pattern.match(TOKEN) ?? []).map(translate).join("")}$`);
  return (path) => expression.test(path);
}
