/** What stops a deploy and can be mended by whoever runs it. The message is the one line that they read, and says how. */
export class DeployProblem extends Error {
  override readonly name = 'DeployProblem'
}
