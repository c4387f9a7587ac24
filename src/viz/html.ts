/**
 * @file Text into HTML, safely: names come from files. Pictures into HTML, so that a page loads nothing from elsewhere.
 */

import type { EncodedImage } from "../core/image.js";

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Escapes text for element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** Bytes that are turned into characters at once: an argument each. */
const CHUNK = 2 ** 13;

/** Bytes in base 64. */
export function base64(bytes: Uint8Array): string {
  let characters = "";
  for (let i = 0; i < bytes.length; i += CHUNK) characters += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(characters);
}

/** The picture as a `data:` address. */
export const dataAddress = ({ mediaType, bytes }: EncodedImage): string => `data:${mediaType};base64,${base64(bytes)}`;
