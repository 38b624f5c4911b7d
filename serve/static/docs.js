"use strict";
const made = (tag, words = "") => Object.assign(document.createElement(tag), { textContent: words });

function kind(schema, all) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map((each) => kind(each, all)).join(" or ");
  return schema.type || "";
}

function fields(schema, all) {
  const table = made("table");
  const head = table.createTHead().insertRow();
  for (const words of ["field", "kind", "default", ""]) head.append(made("th", words));
  for (const [name, each] of Object.entries(schema.properties || {})) {
    const row = table.insertRow();
    row.insertCell().append(made("code", name));
    row.insertCell().textContent = kind(each, all);
    row.insertCell().textContent = each.default === undefined ? "required" : JSON.stringify(each.default);
    row.insertCell().textContent = each.description || "";
  }
  return table;
}

async function show() {
  const api = await (await fetch("/openapi.json")).json();
  document.getElementById("about").textContent = api.info.description;
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, each] of Object.entries(methods)) {
      const part = made("section");
      part.append(made("h2", `${method.toUpperCase()} ${path}`), made("p", each.summary), made("p", each.description));
      const body = each.requestBody?.content?.["application/json"]?.schema;
      if (body) part.append(fields(api.components.schemas[body.$ref.split("/").pop()], api.components.schemas));
      document.getElementById("paths").append(part);
    }
  }
}

show();
