/** Deadlines under which no store command fails because the machine is busy, or because a test makes it stand still. */
export const patientTiming = { store: 15_000, sure: 20_000, lease: 60_000, grace: 16_000, waiter: 80_000 }
