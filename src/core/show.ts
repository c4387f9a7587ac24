/** @file Values of a user's file in a message: short, whatever they are. */

const LONGEST = 80;

/** JSON of the value until it is longer than `room`: what lies deeper or further on is not looked at. */
function write(value: unknown, room: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, room + 1));
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length && text.length <= room; i++) {
      if (i > 0) text += ",";
      text += write(value[i], room - text.length);
    }
    return `${text}]`;
  }
  let text = "{";
  for (const [key, field] of Object.entries(value)) {
    if (text.length > room) break;
    if (text !== "{") text += ",";
    text += `${write(key, room)}:`;
    text += write(field, room - text.length);
  }
  return `${text}}`;
}

/** The value as it would be written in a settings file, cut to a readable length. */
export function show(value: unknown): string {
  const text = value === undefined ? "nothing" : write(value, LONGEST);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 3)}...` : text;
}
