export declare const html: (strings: TemplateStringsArray, ...values: any[]) => unknown;
export declare const nothing: unknown;
export declare const render: (value: unknown, container: HTMLElement) => void;
