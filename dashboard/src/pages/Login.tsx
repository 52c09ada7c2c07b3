/**
 * The login form: the token of the Dashboard, for a cookie that scripts cannot read.
 */
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { call, setCsrfToken } from "../lib/client.js"
import { configQuery } from "../lib/queries.js"
import { Failure } from "../ui/basics.js"
import { useTitle } from "../ui/Page.js"

export const Login = () => {
  useTitle("Log in")
  const queries = useQueryClient()
  const [token, setToken] = useState("")
  const login = useMutation({
    mutationFn: () => call("session", "login", { payload: { token } }),
    onSuccess: (session) => {
      setCsrfToken(session.csrfToken)
      queries.setQueryData(configQuery.queryKey, session)
    }
  })
  return (
    <main className="login">
      <form
        className="card login-card"
        onSubmit={(event) => {
          event.preventDefault()
          login.mutate()
        }}
      >
        <h1>Sealant Dashboard</h1>
        <p className="muted">
          The token is the value of <code>--token</code> or <code>SEALANT_DASHBOARD_TOKEN</code> of the command that
          serves this page.
        </p>
        <label className="field">
          <span>Token</span>
          <input
            autoComplete="current-password"
            autoFocus
            className="input"
            maxLength={1000}
            onChange={(event) => setToken(event.target.value)}
            required
            type="password"
            value={token}
          />
        </label>
        {login.error === null ? null : <Failure error={login.error} />}
        <button className="button primary" disabled={login.isPending} type="submit">
          {login.isPending ? "Checking" : "Log in"}
        </button>
      </form>
    </main>
  )
}
