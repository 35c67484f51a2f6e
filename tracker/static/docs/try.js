// The reference's forms: what they say goes to this server, and its answer is shown. With DEBUG only.
// What comes back becomes text nodes, and nothing else.
"use strict";

(() => {
  const element = (name, text, className = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = className;
    return made;
  };

  const indented = (text) => {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  };

  // Those that the reference names for this operation. Set-Cookie is never for scripts to see.
  const headersOf = (answer, names) =>
    ["Content-Type", ...names]
      .filter((name) => answer.headers.has(name))
      .map((name) => `${name}: ${answer.headers.get(name)}`)
      .join("\n");

  const send = async ({body, type}, {method, path, headers}) => {
    const sent = {"Content-Type": type.value};
    const answer = await fetch(path, {method, body: body.value, headers: sent, credentials: "include"});
    return [
      element("p", `${answer.status} ${answer.statusText}`, `status s${Math.floor(answer.status / 100)}`),
      element("pre", headersOf(answer, headers.split(","))),
      element("pre", indented(await answer.text())),
    ];
  };

  for (const form of document.querySelectorAll("form.try")) {
    const {example, body} = form.elements;
    const output = form.querySelector("output");
    const fill = () => { body.value = example.value; };
    example.addEventListener("change", fill);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form.elements, form.dataset)
        .catch((error) => [element("p", `No answer: ${error.message}`, "status s5")])
        .then((shown) => output.replaceChildren(...shown));
    });
    fill();
  }
})();
