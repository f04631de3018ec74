/** The embedder's door. */
export { type Bff, createBff } from './bff.ts'
export { ConfigurationError } from './errors.ts'
export type { BffOptions } from './options.ts'
