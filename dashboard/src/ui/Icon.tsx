/**
 * Icons, drawn for this page on a grid of 16.
 */
const shapes = {
  overview: "M2.5 13.5v-4h3v4zM6.5 13.5v-8h3v8zM10.5 13.5v-11h3v11z",
  jobs: "M2.5 4h11M2.5 8h11M2.5 12h7M12 10.5l2 1.5-2 1.5z",
  sandboxes: "M8 1.8l5.5 3.1v6.2L8 14.2l-5.5-3.1V4.9zM2.5 4.9L8 8l5.5-3.1M8 8v6.2",
  workflows:
    "M4 2.5a1.8 1.8 0 100 3.6 1.8 1.8 0 000-3.6zM4 6.1v7.4M12 9.9a1.8 1.8 0 100 3.6 1.8 1.8 0 000-3.6zM4 8c0 2.4 3 3.7 6.2 3.7",
  webhooks: "M6.2 6.6a2.6 2.6 0 113.4-1.4L8 8.2M5 8.2a2.6 2.6 0 102.6 3.1h3.6M9 5.4l2.3 3.7a2.6 2.6 0 11-2.2 4.5",
  events: "M2 8h2.6l1.7-4.6 3 9.2L11.2 8H14",
  database:
    "M2.8 4c0-1 2.3-1.8 5.2-1.8S13.2 3 13.2 4 10.9 5.8 8 5.8 2.8 5 2.8 4zM2.8 4v8c0 1 2.3 1.8 5.2 1.8s5.2-.8 5.2-1.8V4M2.8 8c0 1 2.3 1.8 5.2 1.8s5.2-.8 5.2-1.8",
  search: "M7 2.5a4.5 4.5 0 110 9 4.5 4.5 0 010-9zM10.3 10.3l3.2 3.2",
  copy: "M5.5 5.5h7.5v7.5H5.5zM3 10.5V3h7.5",
  check: "M3 8.5l3.2 3.2L13 4.8",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 5.2a2.8 2.8 0 110 5.6 2.8 2.8 0 010-5.6zM8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1",
  moon: "M13.2 9.6A5.6 5.6 0 116.4 2.8a4.5 4.5 0 006.8 6.8z",
  system: "M2 3h12v8H2zM6 13.5h4",
  keyboard: "M1.5 4h13v8h-13zM4 6.7h.01M6.7 6.7h.01M9.3 6.7h.01M12 6.7h.01M5 9.5h6",
  left: "M9.5 3.5L5 8l4.5 4.5",
  right: "M6.5 3.5L11 8l-4.5 4.5",
  alert: "M8 2.2L14.3 13H1.7zM8 6.5v3M8 11.3h.01",
  down: "M3.5 6L8 10.5 12.5 6",
  logout: "M6 2.5H3v11h3M10 5l3 3-3 3M13 8H6.5",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 015 0v2.5"
} as const

export type IconName = keyof typeof shapes

/** An icon without meaning of its own: a label beside it, or on its button, has the meaning. */
export const Icon = ({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) => (
  <svg
    aria-hidden="true"
    fill="none"
    height={size}
    stroke="currentColor"
    strokeLinecap="round"
    strokeLinejoin="round"
    strokeWidth="1.4"
    viewBox="0 0 16 16"
    width={size}
  >
    <path d={shapes[name]} />
  </svg>
)
