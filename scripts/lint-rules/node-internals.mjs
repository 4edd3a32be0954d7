// Selectors of `no-restricted-syntax` for Node's internals, which only src/node may name. Members of this package that are
// not public are #private, so a name with a leading underscore is always one of Node's (or of another library's).

const UNDERSCORE = '/^_[a-zA-Z]/';
/** Members of tcp_wrap's handles and requests, which have no underscore. */
const HANDLE_MEMBERS = '/^(bind6|connect6|oncomplete|afterConnect)$/';
/** Descriptions of Node's symbols. */
const SYMBOLS = '/^(kReinitializeHandle|kHandle|state symbol)$/';

const where = "Node's internals belong in src/node: give it a function that says what you need.";
const declaration = ':matches(Property, PropertyDefinition, MethodDefinition, TSPropertySignature, TSMethodSignature)';

/** @type {readonly { selector: string, message: string }[]} */
export const NODE_INTERNALS = [
  ...[UNDERSCORE, HANDLE_MEMBERS].flatMap((names) => [
    { selector: `MemberExpression[computed=false] > Identifier.property[name=${names}]`, message: where },
    { selector: `${declaration}[computed=false] > Identifier.key[name=${names}]`, message: where },
    { selector: `Literal[value=${names}]`, message: where },
  ]),
  { selector: `Literal[value=${SYMBOLS}]`, message: where },
  { selector: "MemberExpression > Identifier.property[name='getOwnPropertySymbols']", message: where },
  { selector: "MemberExpression[object.name='Reflect'] > Identifier.property[name='ownKeys']", message: where },
  { selector: "MemberExpression[object.name='process'] > Identifier.property[name='binding']", message: where },
];
