/** The page's only resource. Colours have a contrast of at least 4.5 in both schemes. */
export const style = `
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; --ok: light-dark(#166534, #4ade80); --problem: light-dark(#c2410c, #fb923c); --line: color-mix(in srgb, currentColor 22%, transparent); }
body { margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { margin: 0 0 .3rem; font-size: 1.5rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: .8rem 0; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem .8rem; }
legend { float: left; font-weight: 600; margin-right: .8rem; }
main { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); align-items: start; }
article { border: 1px solid var(--line); border-left: .3rem solid var(--ok); border-radius: .4rem; padding: .6rem .8rem; min-width: 0; order: var(--state); }
article.problem { border-left-color: var(--problem); }
article h2 { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .2rem 1rem; margin: 0 0 .4rem; font-size: 1.05rem; }
.state { color: var(--ok); }
.date { white-space: nowrap; }
.problem .state, .problems li { color: var(--problem); }
dl { margin: 0; }
dl div { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: .6rem; }
dt { opacity: .75; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.problems { margin: 0 0 .4rem; padding-left: 1.1rem; }
.problems li { overflow-wrap: anywhere; }
details { margin-top: .4rem; }
details ul { margin: .3rem 0 0; padding-left: 1.1rem; font-size: .9rem; }
.timeline { margin: .3rem 0 0; padding: 0; list-style: none; font-size: .9rem; }
.timeline time { opacity: .75; font-variant-numeric: tabular-nums; }
body:has(#show-problem:checked) article.ok, body:has(#show-ok:checked) article.problem { display: none; }
body:has(#order-name:checked) article { order: var(--name); }
body:has(#order-cost:checked) article { order: var(--cost); }
body:has(#order-system:checked) article { order: var(--system); }
body:has(#order-secrets:checked) article { order: var(--secrets); }
body:has(#order-key:checked) article { order: var(--key); }
`;
