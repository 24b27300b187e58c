import { parseSelector } from "../../cloud/labels.ts";
import type { Labels } from "../../cloud/types.ts";
import { invalidInput } from "./errors.ts";
import type { Call, Reply } from "./router.ts";

interface Listable {
  id: number;
  name?: string | null;
  labels?: Labels;
  created?: string;
}

const MAX_PER_PAGE = 50;
const DEFAULT_PER_PAGE = 25;

/**
 * Answers a list: filtered by `name` and `label_selector`, sorted, cut into pages, with `meta.pagination`.
 * Only the items of the page asked for are rendered.
 */
export function list<T extends Listable>(
  call: Call,
  key: string,
  items: Iterable<T>,
  render: (item: T) => unknown,
): Reply {
  let found = [...items];
  const name = call.query.get("name");
  if (name !== null) found = found.filter((item) => item.name === name);
  const selector = call.query.get("label_selector");
  if (selector !== null && selector !== "") {
    const matches = parseSelector(selector);
    if (matches === null) throw invalidInput({ label_selector: `'${selector}' is not a label selector` });
    found = found.filter((item) => matches(item.labels ?? {}));
  }
  sort(found, call.query.getAll("sort"));

  const page = positive(call, "page", 1);
  const perPage = Math.min(positive(call, "per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE);
  const total = found.length;
  const lastPage = Math.max(1, Math.ceil(total / perPage));
  const onPage = found.slice((page - 1) * perPage, page * perPage);
  return {
    status: 200,
    body: {
      [key]: onPage.map(render),
      meta: {
        pagination: {
          page,
          per_page: perPage,
          previous_page: page > 1 ? page - 1 : null,
          next_page: page < lastPage ? page + 1 : null,
          last_page: lastPage,
          total_entries: total,
        },
      },
    },
  };
}

function sort(items: Listable[], orders: string[]): void {
  // Without a wish: by id, which is the order of creation.
  const keys = orders.flatMap((order) => order.split(",")).filter((order) => order !== "");
  if (keys.length === 0) keys.push("id:asc");
  const parsed = keys.map((key) => {
    const match = /^(id|name|created)(?::(asc|desc))?$/.exec(key);
    if (match === null) throw invalidInput({ sort: `'${key}' is not one of id, name, created with :asc or :desc` });
    return { field: match[1] as "id" | "name" | "created", factor: match[2] === "desc" ? -1 : 1 };
  });
  items.sort((a, b) => {
    for (const { field, factor } of parsed) {
      const left = a[field] ?? "";
      const right = b[field] ?? "";
      if (left !== right) return left < right ? -factor : factor;
    }
    return a.id - b.id;
  });
}

function positive(call: Call, name: string, fallback: number): number {
  const text = call.query.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw invalidInput({ [name]: `'${text}' is not a positive whole number` });
  return value;
}
