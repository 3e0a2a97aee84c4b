/** The version of the schema that this program writes; it reads and writes no other. */
export const SCHEMA_VERSION = 3;
