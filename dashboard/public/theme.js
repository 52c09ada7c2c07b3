// Sets the theme before the first paint. A file of its own, because the content security policy refuses inline scripts.
;(function () {
  var chosen
  try {
    chosen = localStorage.getItem("sealant-theme")
  } catch {
    // Without storage the theme follows the system.
  }
  var isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches)
  document.documentElement.dataset.theme = isDark ? "dark" : "light"
})()
