/** Building and changing elements without markup strings, so that no text can become markup. */

/** An element. `on*` are listeners, `testid` a stable name for tests, true an empty attribute. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "testid") node.dataset.testid = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets a text, only if it differs: an unchanged live region must not speak again. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows or hides. */
export function show(node, visible) {
  node.hidden = !visible;
}

/** Sets or removes attributes. */
export function mark(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
}

const SVG = "http://www.w3.org/2000/svg";

const HANDSET = "M6.5 3H9l2 5-2.4 1.6a11.5 11.5 0 0 0 5.8 5.8L16 13l5 2v2.5a3.5 3.5 0 0 1-3.5 3.5A14.5 14.5 0 0 1 3 6.5 3.5 3.5 0 0 1 6.5 3z";
const CAMERA = "M5 6h7a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3H5a3 3 0 0 1-3-3V9a3 3 0 0 1 3-3zM15 10.5 21.5 7v10L15 13.5";
const MICROPHONE = "M12 2.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21";

/** Outlines on a 24 x 24 grid. */
const ICONS = {
  phone: HANDSET,
  video: CAMERA,
  "video-off": `${CAMERA}M3 2.5l18 19`,
  mic: MICROPHONE,
  "mic-off": `${MICROPHONE}M3.5 2.5l17 19`,
  flip: "M4 9a8.3 8.3 0 0 1 14.2-2.6L20.5 9M20.5 4v5h-5M20 15a8.3 8.3 0 0 1-14.2 2.6L3.5 15M3.5 20v-5h5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.5V12l3 2",
  sound: "M4 9.5v5h3.5L12 19V5L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  people: "M9 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM2.5 20a6.5 6.5 0 0 1 13 0M16 5a3.5 3.5 0 0 1 0 6.5M18 14.5a6.5 6.5 0 0 1 3.5 5.5",
  leave: "M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9",
  check: "M5 12.5l4.5 4.5L19 7.5",
  file: "M6.5 3H14l4 4v12.5a1.5 1.5 0 0 1-1.5 1.5h-10A1.5 1.5 0 0 1 5 19.5V4.5A1.5 1.5 0 0 1 6.5 3zM13.5 3v4.5H18",
  save: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  mark(svg, { viewBox: "0 0 24 24", "aria-hidden": "true", class: `icon icon-${name}` });
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Changes the drawing of a button's icon. */
export function swapIcon(node, name) {
  const current = node.querySelector(".icon");
  if (!current.classList.contains(`icon-${name}`)) current.replaceWith(icon(name));
}

/** The sign in front of every amount; screen readers hear the word instead. */
export function coinSign() {
  return h("span", { class: "coin", "aria-hidden": "true" });
}

/** A round picture of a person: initial and a colour that stays with the id. */
export function avatar(person, size = "") {
  const node = h("span", { class: `avatar ${size}`, "aria-hidden": "true" }, [...person.name][0]?.toUpperCase() ?? "?");
  let sum = 0;
  for (const letter of person.id ?? person.user) sum = (sum * 31 + letter.codePointAt(0)) % 1009;
  node.style.setProperty("--hue", String(HUES[sum % HUES.length]));
  return node;
}

/** Hues on which white letters keep their contrast at the avatar's lightness. */
const HUES = [12, 38, 150, 178, 208, 262, 300, 335];
