"use strict";
// Builds the page from /v1/openapi.json. Text is only ever set as text, never as markup.
const page = document.getElementById("page");

function element(name, text, inside) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (inside) inside.append(made);
  return made;
}

function field(inside, label, about, name, rows) {
  const line = element("label", "", inside);
  element("span", label, line);
  const input = element(rows ? "textarea" : "input", "", line);
  if (rows) input.rows = rows;
  input.name = name;
  element("small", about, line);
  return input;
}

function address(path, parameters, values) {
  const query = new URLSearchParams();
  let filled = path;
  for (const parameter of parameters) {
    const value = values.get(parameter.name).value;
    if (parameter.in === "path") {
      const whole = ["tile_path", "proofs_path"].includes(parameter.name) ? value : encodeURIComponent(value);
      filled = filled.replace(`{${parameter.name}}`, whole);
    } else if (parameter.in === "query" && value) query.set(parameter.name, value);
  }
  return filled + (query.size ? `?${query}` : "");
}

async function shown(answer) {
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const type = answer.headers.get("content-type") || "";
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const isText = /json|text/.test(type);
  const body = isText ? new TextDecoder().decode(bytes) : `(${bytes.length} bytes of ${type})`;
  return `${answer.status} ${answer.statusText}\n${headers}\n\n${body}`;
}

function operation(inside, key, path, method, about) {
  const box = element("details", "", inside);
  const title = element("summary", "", box);
  element("code", `${method.toUpperCase()} ${path}`, title);
  title.append(` ${about.summary}`);
  const values = new Map();
  for (const parameter of about.parameters) {
    const label = `${parameter.name}${parameter.required ? " (required)" : ""}`;
    values.set(parameter.name, field(box, label, parameter.description, parameter.name));
  }
  const kinds = about.requestBody ? Object.keys(about.requestBody.content) : [];
  const kind = kinds.length ? field(box, "Content-Type", kinds.join(", "), "content-type") : null;
  const body = kinds.length ? field(box, "Body", about.requestBody.description, "body", 6) : null;
  if (kind) kind.value = kinds[0] === "*/*" ? "text/plain" : kinds[0];
  const send = element("button", "Send", box);
  const result = element("pre", "", box);
  result.hidden = true;
  send.addEventListener("click", async () => {
    const headers = new Headers();
    if (key.value) headers.set("authorization", `Bearer ${key.value}`);
    if (kind) headers.set("content-type", kind.value);
    for (const parameter of about.parameters) {
      const value = values.get(parameter.name).value;
      if (parameter.in === "header" && value) headers.set(parameter.name, value);
    }
    const request = { method: method.toUpperCase(), headers, body: body ? body.value : undefined };
    try {
      result.textContent = await shown(await fetch(address(path, about.parameters, values), request));
    } catch (error) {
      result.textContent = String(error);
    }
    result.hidden = false;
  });
  const answers = Object.entries(about.responses).map(([status, found]) => `${status}: ${found.description}`);
  element("pre", answers.join("\n"), box);
}

async function build() {
  const found = await (await fetch("/v1/openapi.json")).json();
  page.replaceChildren();
  element("h1", `${found.info.title} ${found.info.version}`, page);
  element("p", found.info.description, page);
  const key = field(page, "API key", "Sent as Authorization: Bearer; kept in this page only.", "key");
  key.type = "password";
  key.autocomplete = "off";
  const groups = new Map();
  for (const [path, methods] of Object.entries(found.paths)) {
    for (const [method, about] of Object.entries(methods)) {
      const group = about.tags[0];
      if (!groups.has(group)) {
        element("h2", group, page);
        groups.set(group, element("div", "", page));
      }
      operation(groups.get(group), key, path, method, about);
    }
  }
}

build().catch((error) => { page.textContent = String(error); });
