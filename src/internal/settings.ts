/**
 * The variables of the environment that say where the database is, and how it is opened.
 */
export const filePathName = "DATABASE_FILE_PATH"
export const urlName = "DATABASE_URL"
export const busyTimeoutName = "DATABASE_BUSY_TIMEOUT_MS"
export const synchronousName = "DATABASE_SYNCHRONOUS"
export const authTokenName = "DATABASE_AUTH_TOKEN"
