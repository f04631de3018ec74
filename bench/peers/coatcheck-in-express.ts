import express from 'express'
import { readConfiguration } from '../../src/env.ts'
import { createBff } from '../../src/index.ts'

// What an application that embeds coatcheck looks like; configured by the same variables as `coatcheck serve`.

const options = readConfiguration(undefined)
const bff = createBff(options)
const app = express()
app.use(bff.router)
const server = app.listen(options.port ?? 3000, '127.0.0.1')
bff.attach(server)
server.keepAliveTimeout = 65_000
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
  void bff.close().then(() => process.exit(0))
})
