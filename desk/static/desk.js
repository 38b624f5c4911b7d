// One player for the page: a button with data-play plays that address, and again stops it.
"use strict";
(() => {
  let sound = null, playing = null;
  const stop = () => {
    if (sound) sound.pause();
    if (playing) { playing.removeAttribute("aria-pressed"); playing.closest("tr, li, article")?.classList.remove("playing"); }
    playing = null;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-play]");
    if (!button) return;
    event.preventDefault();
    const again = playing === button;
    stop();
    if (again) return;
    sound ??= new Audio();
    sound.onended = stop;
    sound.onerror = () => { button.classList.add("broken"); button.title = "cannot be played"; stop(); };
    sound.src = button.dataset.play;
    playing = button;
    button.setAttribute("aria-pressed", "true");
    button.closest("tr, li, article")?.classList.add("playing");
    sound.play().catch(() => {});
  });
})();
// On a narrow page what was found comes first: the facets open when they are asked for.
for (const facets of document.querySelectorAll("details.facets")) {
  if (matchMedia("(max-width: 40rem)").matches) facets.open = false;
}
