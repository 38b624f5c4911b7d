"use strict";
const at = (id) => document.getElementById(id);
const headers = () => (at("key").value ? { Authorization: `Bearer ${at("key").value}` } : {});

function say(words, kind = "") {
  at("said").textContent = words;
  at("said").className = kind;
}

function fill(select, rows) {
  for (const [value, words] of rows) select.add(new Option(words, value));
}

async function load() {
  const [voices, models] = await Promise.all(["/v1/voices", "/v1/models"].map((path) => fetch(path, { headers: headers() })));
  if (voices.status === 401) {
    at("key-row").hidden = false;
    say("This server asks for a key.");
    return;
  }
  const known = await voices.json();
  for (const id of ["voice", "model"]) at(id).replaceChildren();
  at("dialect").length = 1;
  fill(at("dialect"), known.dialects.map((each) => [each.code, `${each.name_zh} ${each.code}`]));
  fill(at("voice"), known.data.map((each) => [each.id, each.id]));
  fill(at("model"), (await models.json()).data.map((each) => [each.id, each.id]));
  say("");
}

async function speak(event) {
  event.preventDefault();
  at("speak").disabled = true;
  say("Speaking …");
  const asked = {
    model: at("model").value || "fangyan",
    input: at("text").value,
    voice: at("voice").value || "default",
    dialect: at("dialect").value,
    steps: Number(at("steps").value),
    seed: Number(at("seed").value),
    response_format: at("format").value,
  };
  try {
    const answer = await fetch("/v1/audio/speech", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers() },
      body: JSON.stringify(asked),
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    const blob = await answer.blob();
    URL.revokeObjectURL(at("player").src);
    at("player").src = at("download").href = URL.createObjectURL(blob);
    at("download").download = `speech.${asked.response_format === "opus" ? "ogg" : asked.response_format}`;
    at("player").hidden = at("download").hidden = false;
    const warnings = JSON.parse(answer.headers.get("X-Warning") || "[]");
    say(warnings.join(" ") || `AI-generated, ${answer.headers.get("X-Produce-Id")}`, warnings.length ? "warning" : "");
  } catch (error) {
    say(error.message, "problem");
  } finally {
    at("speak").disabled = false;
  }
}

at("form").addEventListener("submit", speak);
at("key").addEventListener("change", load);
load();
