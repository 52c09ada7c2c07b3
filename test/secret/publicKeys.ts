/**
 * Public keys and fingerprints from `ssh-keygen`.
 */
export const publicKeys = {
  ed25519: {
    line: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDBkYqEOzhtnP1r8sLKOsm85jSpSFzHzsOy3Q4Aou9Ys ed25519 of a test",
    fingerprint: "SHA256:TMP0IwM0z15r1pn4j7mpyW6k74oPkkoh/rZRbqYrH1M"
  },
  nistp256: {
    line: "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPwsSZSgaNPbBjQ+C3sgHBbCIeGBer4sK3b0tAqnSc0apxs11fhmf50/zycpm9+OIjiT0uTyZ2gH8kjaDW7ofqE= ecdsa of a test",
    fingerprint: "SHA256:PSzeqbVtdYue46dnYNBjnO0SvurMcLkU6NubRdCLtHQ"
  },
  nistp384: {
    line: "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBFWTgHw1BUjLEkg02WFJIHF0t5jmOPXwNLXzUngT6S3ILNvmBCs5QPO3pAV4VXaGvTYC/6rPcslXpxo+xJsiTmaiEh19oWdZXZtFSBse2O+BG0HpgyrNcASjFkQaKHYMOA== ecdsa of a test",
    fingerprint: "SHA256:qbv/Be2akWzhcmKmeKD7wX1u4RyRSN//Tjrqyqqlec0"
  },
  nistp521: {
    line: "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAAlPIhkKX+vV7eDZxkdqGpcfET1cs7z+GINQLOohXhwEXjzSAuE9pDiV4FMBklQ2st1yQ1HpTz3sJ4rm/liLPPVUgEKJuWBWhVFp0hYYQUZvpsghrN1MFud9ItSTZDHHYyu1ri71x+2buxOHZljcOBfzi00/7h54LWZw0Jr6WtKTXR5kg== ecdsa of a test",
    fingerprint: "SHA256:QMk7V0s88+raOa5YGWwTmQVmOcmIVHILLfeZCrPH8Iw"
  },
  rsa2048: {
    line: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDc6l/RmyRJI0a8nfnHMqtSNIRjUJI0tsqmROVS7s+f3Fn4a3XQmhKW46z40Iux1GM1+d0fB9Hl2O4Utab4w8tm9R2cnOtxgPl3Or+KZoQL0KX4Xn84CI/7L0dmHZoQbboppx+aMPmNIi3G1fa9f+L13hit6cAWsfdfg/MYAcpPv2x2C1iVSriyQQJxyeD+aLDS4rPQT4Ebw95C2mGGJBlI7iwubznQdwa5PGser4dV0JbDmjIZncc+87zv5ODpFQrpjcuxnSGdPI2eAJK7psdHpmPyfRC++CV54RjV5N+UPUUyMGcpi1TPTN3BzirLx/EHzfcM5RhR7jVYQa200xiT rsa of a test",
    fingerprint: "SHA256:ZS7t/o2IkXErZGlDh1Nf8A48NxA3T6gJuvSpYPyxD9I"
  }
} as const

/** Rejected keys: too few bits, and an outdated algorithm. */
export const weakKeys = {
  rsa1024:
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDKXM5FH8ie0YMVouAgeI+4iRQ/a7apgI0yBYZDHQjvzuHIfLKQs965ZEJYUjJ35/71ITcwPh/vIejwF2ff1h7O0+rMIMJFk67zAXFEs4TABvbJXv0qc+3Vmgy4OqtlZeMr9vLHNAAMEW/RGR6rAl+R6hI7sRWi0mh/6h/MPbzI7Q== rsa of a test",
  dsa: "ssh-dss AAAAB3NzaC1kc3MAAACBALRSXZvAHZ/vEg8rCbU5gkY37fIoE2eD26AQYtdTclEop/0ioru+WUkv2AD5GAnCYfdr9MInx1JlpNCNNSySTelx9gPRWFszdzDAAGNEZdEa88Y4lQiOQ+oKb/IzgRA3VeO3Q/4sZgisA3KwwIWF/QP7AG/yvbUXZMg08/3/YjMfAAAAFQCCzJoPP+9nPqINy7CehtVDwYR9UwAAAIBPOINIbtOoJ9B2auVCJojiasW3W938+TuNanAL2pFKm5sCV081Tau1yWd9CJuHX+8NgeYnHPu+MnjgIKbxe9bUvRHfM247mJKm13VchgXBieraJW3NcQcQkJzQ0T77da4Y6ZyTYkoUwekA1Q7LkgWiuZx++f14Ysf5P4mr+/SnmgAAAIAvGDN6zrnE4gQhZrPMdXgTS5o4Qe2phsYolDl2LMp8PuKyjGKESOGCkceHTfqThj4U82/wXYIcKliUIY4Sie27O3oQY372BeT8gYfjLFmPqgEn6iT9wFnb0UkNlDtux80C6R7ZWJC0osJVqJ86XmMpL2qrnM++edoze58wdgMkMA== dsa of a test"
} as const
