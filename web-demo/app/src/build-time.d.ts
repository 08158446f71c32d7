/** A script of ours, bundled, as the address of a file of its own; none while developing. */
declare module '*?scriptfile' {
  const url: string | undefined;
  export default url;
}
