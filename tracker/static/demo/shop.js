// The demo shop: what its buttons send, and what the tracker answers. All through the snippet, as in
// any shop. What comes back becomes text nodes, and nothing else.
"use strict";

(() => {
  const KEEP = 8;
  const BAD_ITEM = {product_id: "", name: "A bad item", price: "9.99"};

  const [shop, state, answers, template, cart, cartLink] =
    ["shop", "state", "answers", "answer", "cart", "cart-link"].map((name) => document.getElementById(name));
  const {tracker} = shop.dataset;

  const say = (words, kind) => {
    state.textContent = words;
    state.dataset.kind = kind;
  };

  // After a reload the page knows the code alone.
  const showCart = (id) => {
    const code = cartTracker.code();
    cart.textContent = code ? `Cart ${code}` : "No cart yet.";
    cartLink.hidden = !code;
    cartLink.href = id ? `${tracker}/admin/tracker/cart/${id}/change/` : `${tracker}/admin/find/?q=${code}`;
  };

  // A line for a request, which says later how it ended.
  const begin = (request) => {
    const line = template.content.firstElementChild.cloneNode(true);
    const started = performance.now();
    line.querySelector("[data-text=request]").textContent = request;
    line.querySelector("[data-text=status]").textContent = "on its way";
    answers.prepend(line);
    while (answers.children.length > KEEP) answers.lastElementChild.remove();
    say("Sending…", "idle");
    return (kind, status, said, faults = []) => {
      const took = `${Math.round(performance.now() - started)} ms`;
      for (const [name, text] of Object.entries({status, took, said})) line.querySelector(`[data-text=${name}]`).textContent = text;
      line.querySelector("ul").replaceChildren(...faults.map(lineOf));
      line.dataset.kind = kind;
      say(`${status}, ${took}`, kind);
    };
  };

  const lineOf = ({pointer, code}) => {
    const line = document.createElement("li");
    line.textContent = `${pointer || "the whole"}: ${code}`;
    return line;
  };

  // A problem document (RFC 9457), or whatever else went wrong.
  const refuse = (end) => (problem) => {
    if (problem?.status) end("bad", `${problem.status} ${problem.title}`, problem.detail, problem.errors);
    else end("bad", "Not sent", String(problem?.message ?? problem));
  };

  const add = (item) => {
    const end = begin(`POST /items ${item.product_id}`);
    cartTracker.add(item).then((id) => {
      end("good", "200 OK", `cart_id ${id}`);
      showCart(id);
    }).catch(refuse(end));
  };

  const reset = () => {
    const end = begin("POST /items/reset");
    Promise.resolve(cartTracker.reset()).then(() => {
      end("good", "204 No Content", "The next add starts a new cart.");
      showCart("");
    }).catch(refuse(end));
  };

  const open = () => {
    shop.addEventListener("click", ({target}) => {
      const button = target.closest("[data-product-id]");
      if (button) add({product_id: button.dataset.productId, name: button.dataset.name, price: Number(button.dataset.price)});
    });
    document.getElementById("bad").addEventListener("click", () => add(BAD_ITEM));
    document.getElementById("reset").addEventListener("click", reset);
    showCart("");
  };

  if (window.cartTracker) open();
  else say(`No tracker answers at ${tracker}. Does it run there?`, "bad");
})();
