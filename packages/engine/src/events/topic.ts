import { ContainerdError } from "@ctr/api";
import { checkIdentifier } from "../scope.ts";

/** Begins with a slash, and every component is an identifier; `invalid_argument` when it is not so. */
export function checkTopic(topic: string): string {
  if (!topic.startsWith("/")) throw bad(topic, "must start with '/'");
  if (topic === "/") throw bad(topic, "must have at least one component");
  for (const component of topic.slice(1).split("/")) checkIdentifier(component, `envelope topic "${topic}": component`);
  return topic;
}

function bad(topic: string, why: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: `envelope topic ${JSON.stringify(topic)}: ${why}` });
}
