/* Opens the API page on the OpenAPI document of this very server. */
window.addEventListener("DOMContentLoaded", function () {
  SwaggerUIBundle({ url: document.getElementById("swagger").dataset.url, dom_id: "#swagger", deepLinking: true, validatorUrl: null });
});
