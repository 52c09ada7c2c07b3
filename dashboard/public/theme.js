// Applies the stored theme before the first paint. A file of its own, because the content security policy refuses inline scripts.
;(function () {
  try {
    const theme = localStorage.getItem("sealant-theme")
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme
  } catch {
    // Without storage the theme follows the system.
  }
})()
