// A program of modes: `PROGRAM MODE ADDRESS PORT MILLISECONDS` prints one line of JSON.

/** @typedef {{ address: string, port: number }} There */

/**
 * @param {Readonly<Record<string, (there: There, milliseconds: number) => Promise<Record<string, number>>>>} modes
 */
export async function main(modes) {
  const [mode = '', address = '', port, milliseconds] = process.argv.slice(2);
  const measure = modes[mode];
  if (measure === undefined) throw new Error(`no such mode: ${mode} (${Object.keys(modes).join(', ')})`);
  console.log(JSON.stringify(await measure({ address, port: Number(port) }, Number(milliseconds))));
  process.exit();
}
