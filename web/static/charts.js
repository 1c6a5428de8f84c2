/* Draws every chart of a page with Vega: the specification stands beside it as JSON, the interpreter needs no eval. */
(function () {
  "use strict";

  function draw() {
    document.querySelectorAll("[data-chart]").forEach(function (place) {
      if (place.isBeingDrawn) { return; }
      place.isBeingDrawn = true;
      var spec = JSON.parse(document.getElementById(place.dataset.chart).textContent);
      vegaEmbed(place, spec, {
        ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true },
      }).then(function () { place.setAttribute("data-drawn", "yes"); }, function () { place.setAttribute("data-drawn", "no"); });
    });
  }
  document.addEventListener("DOMContentLoaded", draw);
  document.addEventListener("htmx:afterSettle", draw); // a part that came later may hold charts
})();
