/** A script of ours, bundled, as the address of a file of its own. */
declare module '*?scriptfile' {
  const url: string;
  export default url;
}
