// Fastify and pg: a JSON schema, a pool, one prepared statement that upserts cart and item.

import { randomUUID } from "node:crypto";
import cookie from "@fastify/cookie";
import Fastify from "fastify";
import pg from "pg";

const COOKIE_MAX_AGE_S = 31_536_000;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

const upsert = {
  name: "upsert",
  text: `
    WITH kept AS (
        INSERT INTO cart (id) VALUES ($1) ON CONFLICT (id) DO NOTHING
    )
    INSERT INTO item (cart_id, product_id, name, price) VALUES ($1, $2, $3, $4)
    ON CONFLICT (cart_id, product_id) DO UPDATE SET name = excluded.name, price = excluded.price`,
};

const schema = {
  body: {
    type: "object",
    required: ["product_id", "name", "price"],
    properties: {
      product_id: { type: "string", minLength: 1, maxLength: 255 },
      name: { type: "string", maxLength: 1000 },
      price: { type: "integer", minimum: 0 },
      cart_id: { type: "string", format: "uuid" },
    },
  },
  response: { 200: { type: "object", properties: { cart_id: { type: "string" } } } },
};

// With five connections it accepts more than with 2, 3, 10 (pg's own default) or 16.
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, min: 5, max: 5 });
const app = Fastify();
await app.register(cookie);

app.post("/items", { schema }, async (request, reply) => {
  const { product_id, name, price, cart_id: sent } = request.body;
  const known = request.cookies.cart_id;
  const cart_id = (UUID.test(known) && known) || sent || randomUUID();
  await pool.query({ ...upsert, values: [cart_id, product_id, name, price] });
  reply.setCookie("cart_id", cart_id, {
    httpOnly: true, maxAge: COOKIE_MAX_AGE_S, path: "/", sameSite: "lax",
  });
  return { cart_id };
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
