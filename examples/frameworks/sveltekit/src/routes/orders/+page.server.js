export function load({ locals }) {
  return { guid: locals.user?.guid }
}
