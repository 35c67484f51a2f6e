"use strict";

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  // Without DEBUG the tracker refuses a POST from this page: its own origin is not in STOREFRONT_ORIGINS.
  supportedSubmitMethods: [],
  validatorUrl: null, // Do not ask validator.swagger.io.
});
