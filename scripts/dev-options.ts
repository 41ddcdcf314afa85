/** Reads those options of `wrangler dev` that `npm start` has to know as well. They come from its own command line. */

/** Every value of an option, under any of its names: `--var a b`, `--var=c`. */
export function valuesOf(args: readonly string[], ...names: readonly string[]): readonly string[] {
  return args.flatMap((arg, i) => {
    const [name = '', ...inline] = arg.split('=')
    if (!names.includes(name)) return []
    if (inline.length > 0) return [inline.join('=')]
    const rest = args.slice(i + 1)
    const next = rest.findIndex((value) => value.startsWith('-'))
    return next < 0 ? rest : rest.slice(0, next)
  })
}

/** The value of an option that stands once. */
export function valueOf(args: readonly string[], ...names: readonly string[]): string | undefined {
  return valuesOf(args, ...names)[0]
}
