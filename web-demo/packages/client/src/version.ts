/** This library's version, as the relay's logs show it. */
export const VERSION = '0.1.0';
