/** Starts the interactive reference with the OpenAPI document of the deployment that serves this page. */

const dark = matchMedia('(prefers-color-scheme: dark)')

/** Swagger UI has its dark scheme behind a class, and the system of the reader decides. */
function followScheme() {
  document.documentElement.classList.toggle('dark-mode', dark.matches)
}

followScheme()
dark.addEventListener('change', followScheme)

SwaggerUIBundle({
  url: '../openapi.json',
  domNode: document.querySelector('#reference'),
  presets: [SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  // The validator is a service of others, which would be sent the address of this deployment.
  validatorUrl: null,
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  syntaxHighlight: { theme: 'nord' },
  tryItOutEnabled: true,
})
