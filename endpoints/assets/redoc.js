// Starts Redoc on the page /redoc; without its search, which would need a worker made of text.
const openapi = document.currentScript.dataset.openapi;
window.addEventListener("load", () => {
  Redoc.init(
    openapi,
    { disableSearch: true, hideDownloadButton: false, expandResponses: "200,201", sortPropsAlphabetically: false },
    document.getElementById("docs"),
  );
});
