// Keyboard shortcuts that never fire while somebody composes: a bare letter, in a field Alt and the letter.

const FIELDS = "textarea, select, input:not([type=checkbox]):not([type=radio]), [contenteditable]";
const BARE = "fangyan-bare-keys";
const PRESSED_BY_SPACE = "button, summary, a, input, select, textarea";

// `actions` maps a key ("p", "Space", "Mod+Enter", "Escape") to what it does; with Alt the same letters act in fields.
export function bind(actions) {
  document.addEventListener("keydown", event => {
    // An input method is at work: Enter and the letters are its own. Safari's last Enter says so by 229 alone.
    if (event.isComposing || event.keyCode === 229) return;
    if (document.querySelector("dialog[open]") && event.key !== "Escape") return;
    const name = nameOf(event);
    const action = name && actions[name];
    if (!action || (event.repeat && !action.repeats)) return;
    if (name === "Space" && event.target.closest(PRESSED_BY_SPACE)) return;
    if (name === "Enter") return;
    event.preventDefault();
    action.run(event);
  });
}

function nameOf(event) {
  const typing = event.target.closest?.(FIELDS);
  const modifier = event.ctrlKey || event.metaKey;
  if (event.key === "Escape") return "Escape";
  if (modifier && event.key === "Enter") return "Mod+Enter";
  // AltGr types letters on many keyboards; it comes as Ctrl and Alt.
  if (modifier || event.getModifierState?.("AltGraph")) return null;
  if (event.altKey) return fromCode(event.code);
  if (typing || !bare()) return null;
  return event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

// Whether letters act without Alt; whoever dictates or strikes keys by chance switches that off, for this browser.
export const bare = () => localStorage.getItem(BARE) !== "off";
export const setBare = wanted => localStorage.setItem(BARE, wanted ? "on" : "off");

// With Alt a Mac types another letter, so the place of the key counts.
function fromCode(code) {
  if (code.startsWith("Key")) return code.slice(3).toLowerCase();
  if (code.startsWith("Digit")) return code.slice(5);
  return null;
}
