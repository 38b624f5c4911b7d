// Plays whatever stretch of the recording is chosen, by its address, in the one player of the page.

const player = document.getElementById("player");
const playing = document.getElementById("playing");

function play(element) {
  document.querySelector(".sounding")?.classList.remove("sounding");
  element.classList.add("sounding");
  player.src = element.dataset.sound;
  player.play().catch(() => {});
  playing.textContent = element.dataset.name;
  if (element.dataset.leads) {
    playing.append(" ", Object.assign(document.createElement("a"), { href: element.dataset.leads, textContent: "open" }));
  }
}

for (const element of document.querySelectorAll("[data-sound]")) element.addEventListener("click", () => play(element));
player.addEventListener("error", () => { if (player.getAttribute("src")) playing.textContent = "This stretch cannot be played."; });
player.addEventListener("ended", () => document.querySelector(".sounding")?.classList.remove("sounding"));
