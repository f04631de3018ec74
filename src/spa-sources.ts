import { z } from 'zod'

const directives = [
  'script-src',
  'style-src',
  'img-src',
  'font-src',
  'media-src',
  'connect-src',
  'frame-src',
  'worker-src',
  'form-action',
] as const

/** Sources by host or by scheme, and the keywords that frameworks are known to need (CSP Level 3, section 2.3.1). */
const source =
  /^(?:(?:https?|wss?):\/\/(?:\*\.)?[\w.:[\]-]+(?:\/[\w.~%/-]*)?|(?:https|wss|data|blob):|'(?:unsafe-inline|unsafe-eval|wasm-unsafe-eval)')$/

/** What an SPA needs from elsewhere, by directive of its content security policy. */
export const spaSourcesSchema = z
  .partialRecord(
    z.enum(directives),
    z.array(
      z
        .string()
        .regex(source, 'must be a source such as https://api.example.com or wss:; our own origin is one already'),
    ),
  )
  .refine((sources) => !sources['script-src']?.some((one) => /^'unsafe-inline'$|^(data|blob|https|wss):$/.test(one)), {
    error: 'script-src would let run whatever somebody manages to inject',
  })
  .default({})
