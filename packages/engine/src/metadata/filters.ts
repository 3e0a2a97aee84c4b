export {
  ABSENT,
  type FieldReader,
  type FieldValue,
  type Filter,
  mapField,
  parseFilters,
  textField,
} from "./filters/filter.ts";
