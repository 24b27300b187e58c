import type { ActionFault, Cloud } from "../../cloud/cloud.ts";
import { ApiError } from "./errors.ts";

/** One request, as a handler sees it. */
export interface Call {
  cloud: Cloud;
  method: string;
  /** The values of `{…}` in the route's template. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** The parsed JSON body, or undefined. Handlers read it through `readBody`. */
  body: unknown;
  /** What fault injection wants of the actions that this request starts. */
  actionFault: ActionFault | null;
}

export interface Reply {
  status: number;
  body?: unknown;
}

export interface Route {
  method: string;
  template: string;
  handle: (call: Call) => Reply;
}

export interface Match {
  route: Route;
  params: Record<string, string>;
}

export function get(template: string, handle: Route["handle"]): Route {
  return { method: "GET", template, handle };
}
export function post(template: string, handle: Route["handle"]): Route {
  return { method: "POST", template, handle };
}
export function put(template: string, handle: Route["handle"]): Route {
  return { method: "PUT", template, handle };
}
export function del(template: string, handle: Route["handle"]): Route {
  return { method: "DELETE", template, handle };
}

interface Node {
  literal: Map<string, Node>;
  param: { name: string; node: Node } | null;
  routes: Map<string, Route>;
}

/** A tree of path segments: a lookup costs the same however many routes there are. */
export class Router {
  readonly #root: Node = emptyNode();
  readonly templates: string[] = [];

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  /**
   * @returns null where no path of that shape is known.
   * @throws ApiError 405 where the path is known with other methods.
   */
  match(method: string, path: string): Match | null {
    const params: Record<string, string> = {};
    let node = this.#root;
    for (const segment of path.split("/")) {
      if (segment === "") continue;
      const literal = node.literal.get(segment);
      if (literal !== undefined) {
        node = literal;
      } else if (node.param !== null) {
        params[node.param.name] = decodeURIComponent(segment);
        node = node.param.node;
      } else {
        return null;
      }
    }
    if (node.routes.size === 0) return null;
    const route = node.routes.get(method);
    if (route === undefined) throw new ApiError(405, "method_not_allowed", `method ${method} is not allowed here`);
    return { route, params };
  }

  #add(route: Route): void {
    this.templates.push(`${route.method} ${route.template}`);
    let node = this.#root;
    for (const segment of route.template.split("/").filter((part) => part !== "")) {
      if (segment.startsWith("{")) {
        node.param ??= { name: segment.slice(1, -1), node: emptyNode() };
        node = node.param.node;
      } else {
        let next = node.literal.get(segment);
        if (next === undefined) {
          next = emptyNode();
          node.literal.set(segment, next);
        }
        node = next;
      }
    }
    node.routes.set(route.method, route);
  }
}

function emptyNode(): Node {
  return { literal: new Map(), param: null, routes: new Map() };
}
