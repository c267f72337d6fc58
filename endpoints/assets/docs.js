// Starts Swagger UI on the page /docs; a file of its own, since no script in a page may run there.
const openapi = document.currentScript.dataset.openapi;
window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: openapi,
    dom_id: "#docs",
    deepLinking: true,
    docExpansion: "none",
    tryItOutEnabled: false,
    persistAuthorization: false,
    // Nothing is sent to anybody else: neither the badge of a validator, nor a configuration from the address.
    validatorUrl: null,
    queryConfigEnabled: false,
  });
});
