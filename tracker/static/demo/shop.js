// The demo shop: sends adds with the snippet, as any shop does, and shows the tracker's answers. It
// puts answers into the page as text only.
"use strict";

(() => {
  const KEEP = 8;
  const BAD_ITEM = {product_id: "", name: "A bad item", price: "9.99"};

  const [shop, state, answers, template, cart, cartLink] =
    ["shop", "state", "answers", "answer", "cart", "cart-link"].map((name) => document.getElementById(name));

  const say = (words, kind) => {
    state.textContent = words;
    state.dataset.kind = kind;
  };

  // After a reload the page knows only the cart's code.
  const showCart = (id) => {
    const code = cartTracker.code();
    cart.textContent = code ? `Cart ${code}` : "No cart yet.";
    cartLink.hidden = !code;
    cartLink.href = id ? `/admin/tracker/cart/${id}/change/` : `/admin/find/?q=${code}`;
  };

  // Add a line for a request; the returned function writes into it how the request ended.
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

  // Show a problem document (RFC 9457) or another error.
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
  else say("/cart-tracker.v1.js did not load.", "bad");
})();
