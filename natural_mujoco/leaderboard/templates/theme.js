(function () {
  var root = document.documentElement;
  root.classList.add("js");
  try { var kept = localStorage.getItem("theme"); if (kept) root.dataset.theme = kept; } catch (e) { /* private mode */ }
})();
