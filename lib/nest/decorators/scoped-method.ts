import 'reflect-metadata';
import { Inject, Optional } from '@nestjs/common';
import type { PgCluster } from '../../cluster.js';
import { PgMcpError } from '../../errors.js';
import type { Owned } from '../../session/scope.js';
import { ClusterRegistry } from '../cluster-registry.js';
import { DEFAULT_CLUSTER } from '../tokens.js';

/** Where Nest puts the application's clusters into each instance of a decorated class. */
const CLUSTERS = Symbol('nestjs-pg-mcp:clusters');

/** Marks a function that a method's decorator made, with the names of the clusters it speaks to. */
const SCOPED = Symbol('nestjs-pg-mcp:scoped');

/** Runs the work of a method, called with those arguments, in its scope. */
export type Enter = (
  cluster: PgCluster,
  by: Required<Owned>,
  work: () => unknown,
  args: readonly unknown[],
) => unknown;

/** A decorator's options with who is decorated. To spread both into one object takes V8 microseconds, for each call. */
export function withOwner<O extends object>(options: O, by: Required<Owned>): O & Required<Owned> {
  return Object.assign({}, options, by);
}

type Method = (this: object, ...args: unknown[]) => unknown;
/**
 * @param onlyFromOutside For a class's decorator: what an object's methods call among themselves stays in the
 * scope of the first.
 */
type Wrap = (method: Method, where: string, onlyFromOutside: boolean) => Method;
type MethodOrClassDecorator = MethodDecorator & ClassDecorator;

/**
 * A decorator for a method, or for a class and so all its methods that have none of their own.
 *
 * @param routes Whether it says where statements go, in place of what the class's decorator says.
 */
export function scopedMethod(
  decorator: string,
  cluster: string | undefined,
  enter: Enter,
  { routes = true } = {},
): MethodOrClassDecorator {
  const clusterName = cluster ?? DEFAULT_CLUSTER;
  const routed = routes ? clusterName : undefined;
  const wrap: Wrap = (method, where, onlyFromOutside) =>
    disguise(
      method,
      function (this: object, ...args: unknown[]) {
        const cluster = clusterOf(this, clusterName, where);
        const work = () => method.apply(this, args);
        return onlyFromOutside && routes && cluster.isInScopeOf(this)
          ? work()
          : enter(cluster, { owner: this, method: where }, work, args);
      },
      onlyFromOutside || routed === undefined ? [] : [routed],
    );
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    if (key === undefined) return decorateClass(target as new () => object, decorator, routed, wrap);
    if (!isMethod(descriptor?.value) || typeof target === 'function') {
      throw new TypeError(`@${decorator}() on ${String(key)}: it works on methods of an instance only`);
    }
    wire(target);
    descriptor.value = wrap(descriptor.value, `${target.constructor.name}.${String(key)}`, false);
  };
}

/** @param routed The cluster whose statements it routes: it leaves alone what routes them itself. */
function decorateClass(
  target: new () => object,
  decorator: string,
  routed: string | undefined,
  wrap: Wrap,
): void {
  const prototype: unknown = target.prototype;
  if (typeof prototype !== 'object' || prototype === null)
    throw new TypeError(`@${decorator}(): not a class`);
  wire(prototype);
  for (const [key, descriptor] of methodsOf(prototype)) {
    if (routed !== undefined && isScopedFor(descriptor.value, routed)) continue;
    const value = wrap(descriptor.value as Method, `${target.name}.${String(key)}`, true);
    Object.defineProperty(prototype, key, { ...descriptor, value });
  }
}

/** Own and inherited ones, the nearest first. */
function methodsOf(prototype: object): Map<string | symbol, PropertyDescriptor> {
  const methods = new Map<string | symbol, PropertyDescriptor>();
  for (let level = prototype; level !== Object.prototype; level = Object.getPrototypeOf(level) as object) {
    for (const key of Reflect.ownKeys(level)) {
      const descriptor = Object.getOwnPropertyDescriptor(level, key);
      if (key !== 'constructor' && !methods.has(key) && descriptor && isMethod(descriptor.value)) {
        methods.set(key, descriptor);
      }
    }
  }
  return methods;
}

/** Has Nest inject the clusters, for every way it makes instances and each application by itself. */
function wire(prototype: object): void {
  if (Reflect.hasMetadata(CLUSTERS, prototype)) return;
  Reflect.defineMetadata(CLUSTERS, true, prototype);
  Inject(ClusterRegistry)(prototype, CLUSTERS);
  Optional()(prototype, CLUSTERS);
}

function clusterOf(
  instance: { [CLUSTERS]?: ClusterRegistry } | undefined,
  name: string,
  where: string,
): PgCluster {
  const registry = instance?.[CLUSTERS];
  if (registry) return registry.get(name);
  throw new PgMcpError(
    'NOT_WIRED',
    `${where} has no cluster: import PgMcpModule.forRoot() in the application, and let Nest make the instance (and call it as a method of that)`,
  );
}

/** Gives the wrapper the method's name, length, own properties and metadata, which other decorators live by. */
function disguise(method: Method, wrapper: Method, ownClusters: readonly string[]): Method {
  for (const key of Reflect.ownKeys(method)) {
    const descriptor = Object.getOwnPropertyDescriptor(method, key);
    if (key !== 'prototype' && key !== SCOPED && descriptor) Object.defineProperty(wrapper, key, descriptor);
  }
  for (const key of Reflect.getMetadataKeys(method) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, method), wrapper);
  }
  Object.defineProperty(wrapper, SCOPED, { value: [...scopedFor(method), ...ownClusters] });
  return wrapper;
}

function scopedFor(method: object): readonly string[] {
  return SCOPED in method && Array.isArray(method[SCOPED]) ? method[SCOPED] : [];
}

function isScopedFor(method: unknown, clusterName: string): boolean {
  return isMethod(method) && scopedFor(method).includes(clusterName);
}

function isMethod(value: unknown): value is Method {
  return typeof value === 'function';
}
