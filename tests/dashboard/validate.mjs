// Prints what is wrong with the JSON document on standard input by a JSON Schema: node validate.mjs SCHEMA.json
import { readFileSync } from "node:fs";
import Ajv from "ajv";

// Compose's schema calls its dialect by a name that no standard has, and its parts by ids of draft 4, which
// nothing refers to; what it uses is draft 7's.
const named = (key, value) => (["id", "$schema"].includes(key) && typeof value === "string" ? undefined : value);
const schema = JSON.parse(readFileSync(process.argv[2], "utf8"), named);
// Formats such as `duration` are Docker's own.
const validate = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(schema);
if (!validate(JSON.parse(readFileSync(0, "utf8")))) console.log(JSON.stringify(validate.errors, null, 1));
